package io.forebay.persistence.samples;

/** What the samples store, all records. */
interface Stored {}
