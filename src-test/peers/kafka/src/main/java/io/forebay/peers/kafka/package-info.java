/** Kafka as the benchmark runs it beside Forebay. */
package io.forebay.peers.kafka;
