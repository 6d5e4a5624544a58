/**
 * The node as a whole: the extensions an application embeds, the order of start and shutdown, readiness and health. It
 * wires the other packages and has no rule of its own. Runs once per actor system, at start and at coordinated shutdown.
 */
package io.forebay.node;
