/**
 * What crosses an actor or node boundary: sealed requests and replies, ids, receipts and receipt handles, as immutable
 * values. It decides nothing and holds no state; how a value looks as bytes is told in {@link io.forebay.protocol.wire}.
 * Any thread may use it.
 */
package io.forebay.protocol;
