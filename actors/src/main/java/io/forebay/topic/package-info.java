/**
 * The actors of topics: the registry of topics and groups, and the dispatchers that hand a Pop of a topic to its queues
 * and hold long polls. It stores no message and settles nothing. One registry per node, one dispatcher per topic and group
 * on a node.
 */
package io.forebay.topic;
