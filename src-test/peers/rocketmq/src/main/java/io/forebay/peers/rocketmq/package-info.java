/**
 * RocketMQ 5 as the benchmark runs it beside Forebay: a broker and a name server in a process of their own ({@link
 * io.forebay.peers.rocketmq.RocketBroker}), its producer and its Pop over its remoting protocol.
 */
package io.forebay.peers.rocketmq;
