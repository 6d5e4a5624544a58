/**
 * Which topics, groups and subscriptions there are, as plain state. Knows no Akka, no clock and no file. Confined to the
 * actor (or the simulation) that owns it.
 */
package io.forebay.topic.core;
