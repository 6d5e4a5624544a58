/**
 * The node's settings: one validated record per component beside the {@code reference.conf} that documents every key.
 * It starts nothing and knows no actor; a wrong value stops the start with the key, the value and what would be right.
 * Read once by the node at start; the records are immutable.
 */
package io.forebay.config;
