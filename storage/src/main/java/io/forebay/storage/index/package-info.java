/**
 * The queue index: from a queue offset to the position of its frame, in extents of a shared file. It is derived from the
 * log, promises nothing of its own and is rebuilt when in doubt; an entry is a hint that the reader checks. Written by
 * the stripe's StoreWriter, read by many.
 */
package io.forebay.storage.index;
