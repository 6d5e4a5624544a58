/** What random runs share: seeds that replay a failure, sizes that a profile may change. */
package io.forebay.testkit.sim;
