/**
 * Applications as Akka's documentation shows them, on Forebay's plugins: they know Akka, and nothing of Forebay but the names of the
 * plugins. Their tests kill them, cut their power, and compare what goes on with what was answered.
 */
package io.forebay.persistence.samples;
