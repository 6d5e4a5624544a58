/** The LevelDB journal that Akka brings, as the benchmark of journals runs it beside Forebay's. */
package io.forebay.peers.leveldb;
