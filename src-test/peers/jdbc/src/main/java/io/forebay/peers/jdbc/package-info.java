/** {@code akka-persistence-jdbc} on an embedded H2 database, as the benchmark of journals runs it beside Forebay's journal. */
package io.forebay.peers.jdbc;
