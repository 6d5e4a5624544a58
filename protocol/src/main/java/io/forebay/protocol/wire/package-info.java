/**
 * Versioned wire forms of the protocol: serializers with stable identifiers and manifests, checked for size before
 * anything is allocated. It does not know what a message means and never opens a connection. Akka's serialization runs
 * it, on any thread, so nothing here keeps state.
 */
package io.forebay.protocol.wire;
