/**
 * The test kit: an in-memory disk, virtual time, models and the simulator, for our own tests and for applications that
 * use Forebay. Nothing that ships depends on it. Runs on the thread of the test that uses it.
 */
package io.forebay.testkit;
