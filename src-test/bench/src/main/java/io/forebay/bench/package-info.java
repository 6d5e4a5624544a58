/**
 * Benchmarks of the rooms. They are not published and assert nothing but that nothing was lost, doubled or altered. Run by
 * hand: {@code src-test/bench/run}.
 */
package io.forebay.bench;
