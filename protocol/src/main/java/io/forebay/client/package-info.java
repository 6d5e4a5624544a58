/**
 * The client an application uses: finds nodes, keeps routes, sends, pops, acks, extends what is held and repeats what was
 * unanswered. It knows nothing of stripes or files, and nothing of the server's actors but their protocol. Runs in the
 * application's own actor system, on dispatchers of its own.
 */
package io.forebay.client;
