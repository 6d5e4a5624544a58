/** What random runs share: seeds that replay a failure, sizes that a profile may change, and the account of what they proved. */
package io.forebay.testkit.sim;
