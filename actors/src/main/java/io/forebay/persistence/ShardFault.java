package io.forebay.persistence;

import io.forebay.storage.log.Owner;

/**
 * A reserved queue that nothing is written to any more, nor told of, though its stripe serves.
 *
 * @param hasFailed whether a bug has ended who writes there, so that a new start serves it again
 * @param text what that means, why it is so and what to do, one line for people
 */
public record ShardFault(int stripeId, Owner owner, boolean hasFailed, String text) {}
