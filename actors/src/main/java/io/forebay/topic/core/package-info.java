/**
 * What a topic decides, as plain state: its definition, its routes, and which queue serves a Pop next. Knows no Akka, no
 * clock and no file. Confined to the actor (or the simulation) that owns it.
 */
package io.forebay.topic.core;
