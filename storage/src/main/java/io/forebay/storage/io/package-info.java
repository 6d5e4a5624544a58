/**
 * The only place that touches files, memory maps and {@code force}; turns what a failing disk does into typed exceptions.
 * It knows no frame and no record. Called by the owner of a stripe, by the forcing and reading threads, and replaced as a
 * whole by an in-memory disk in tests.
 */
package io.forebay.storage.io;
