/**
 * The load of the benchmark of journals: persistent actors of Akka's own kind, the same for each journal. Knows Akka and no
 * journal. Run by {@code src-test/bench/run --persistence}.
 */
package io.forebay.journals;
