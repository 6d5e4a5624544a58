/**
 * What a node lets be seen of itself: meters for Micrometer, an HTTP endpoint with {@code /metrics}, {@code /ready} and {@code /alive}, and
 * in its log what has waited for too long. It only looks: at what stripes, groups and sessions publish, from threads of its own, so that
 * nothing it does holds up an actor; what it asks actors it asks without waiting long. Micrometer is named by {@code NodeMeters} and
 * {@code PrometheusPage} alone: an application without it can do without metrics.
 */
package io.forebay.watch;
