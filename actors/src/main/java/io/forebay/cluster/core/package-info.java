/**
 * What a session decides about pushing, as plain state: which messages it may ask for, what the client has, what was lost on
 * the way. Knows no Akka, no clock and no file. Confined to the session that owns it.
 */
package io.forebay.cluster.core;
