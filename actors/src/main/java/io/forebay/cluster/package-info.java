/**
 * How a node is found and what it tells others: registration, routes, the contact point for those outside the cluster,
 * and the sessions that take the place of watching across that line. It moves no queue and replicates nothing. One of each
 * per node, touched only where the provider allows it.
 */
package io.forebay.cluster;
