/**
 * Where replay starts: snapshots of owners, the manifest of segments, and the two-slot file that names both. It bounds
 * the time of a start and decides nothing about what is live. Run by the stripe's StoreWriter in the background, and by
 * recovery before anything is served.
 */
package io.forebay.storage.checkpoint;
