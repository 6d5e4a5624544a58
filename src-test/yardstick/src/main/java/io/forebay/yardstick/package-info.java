/**
 * The load that Forebay and others are measured under: what a system has to do to be measured ({@link
 * io.forebay.yardstick.Contestant}), the senders, receivers and books of a run, and a process that runs them. Knows none of the
 * systems, and the JDK and HdrHistogram only, so that it fits beside whatever a system brings.
 */
package io.forebay.yardstick;
