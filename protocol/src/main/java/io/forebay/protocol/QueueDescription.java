package io.forebay.protocol;

/**
 * One queue of a topic on one node.
 *
 * @param number within the topic on that node, from 0
 * @param stripe the stripe it writes to
 * @param firstOffset lowest offset that is still stored
 * @param nextOffset offset the next message will get
 * @param depth messages stored: the difference
 */
public record QueueDescription(int number, int stripe, long firstOffset, long nextOffset, long depth) {}
