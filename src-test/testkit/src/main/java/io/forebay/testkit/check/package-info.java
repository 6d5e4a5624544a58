/**
 * Whether a node kept its promises: a {@link io.forebay.testkit.check.Journal} of what clients asked and were told, kept
 * outside the node, and a {@link io.forebay.testkit.check.Judge} that holds it against the invariants I1 to I8. Knows
 * nothing of how the node works.
 */
package io.forebay.testkit.check;
