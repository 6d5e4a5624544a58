/** Akka's work pulling as the benchmark runs it beside Forebay. */
package io.forebay.peers.workpulling;
