/**
 * Random runs: seeds that replay a failure, sizes that a profile may change, the account of what was proved, virtual time, and an actor
 * system with a node that does one thing at a time.
 */
package io.forebay.testkit.sim;
