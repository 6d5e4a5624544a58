/** Kafka share groups as the benchmark runs them beside Forebay: a broker in a process of its own, Kafka's own clients here. */
package io.forebay.peers.kafka;
