/**
 * The test kit. {@link io.forebay.testkit.ForebayTestKit} is a whole node for the unit tests of an application, on virtual time and a
 * disk in memory; the packages beside it are what it is made of, and what our own simulations add: the disk that fails on demand, the
 * actor system without threads, the journal and judge of what a node promised. Nothing that ships depends on it.
 */
package io.forebay.testkit;
