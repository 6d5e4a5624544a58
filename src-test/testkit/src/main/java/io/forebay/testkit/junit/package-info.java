/** The {@link io.forebay.testkit.ForebayTestKit} for tests of JUnit 5. Nothing else of the test kit needs JUnit. */
package io.forebay.testkit.junit;
