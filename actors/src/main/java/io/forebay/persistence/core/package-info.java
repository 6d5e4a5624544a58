/**
 * What Akka Persistence keeps in the log, as plain Java: which persistence ids there are, where their events and snapshots lie,
 * what may be written. Owns no file, no clock and no actor; whoever holds one of these confines it.
 */
package io.forebay.persistence.core;
