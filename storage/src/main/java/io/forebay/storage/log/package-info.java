/**
 * A stripe's append-only log: segments, frames, records, and what recovery keeps of them. It reads no clock, starts no
 * thread and reaches files only through {@link io.forebay.storage.io}. One writer at a time, the stripe's StoreWriter;
 * readers go by the published readable position.
 */
package io.forebay.storage.log;
