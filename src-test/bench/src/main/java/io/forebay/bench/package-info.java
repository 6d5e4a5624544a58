/**
 * Benchmarks of the rooms. They assert nothing and are not published. Run by hand, through JMH.
 */
package io.forebay.bench;
