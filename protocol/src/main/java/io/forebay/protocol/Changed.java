package io.forebay.protocol;

/**
 * The deadline was moved; the handle stays valid.
 *
 * @param invisibleUntilMillis the new deadline in log time of the node: the message is not delivered to anyone else
 *     before it
 */
public record Changed(long invisibleUntilMillis) implements ChangeResult {}
