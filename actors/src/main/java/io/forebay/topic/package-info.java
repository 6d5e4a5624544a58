/**
 * The actors of topics: the registry of topics and groups, its book, which keeps what it has decided as events of Akka Persistence, and
 * the dispatchers that hand a Pop of a topic to its queues and hold long polls. No message is stored here and nothing settled. One
 * registry per node, one dispatcher per topic and group on a node.
 */
package io.forebay.topic;
