/**
 * Disks that fail on demand. {@link io.forebay.testkit.faults.MemoryDisk} stands in for the files of a stripe or a node
 * and gives images of what a killed process or a power cut would leave behind. Used by tests and by users' own
 * simulations; nothing here touches a real file.
 */
package io.forebay.testkit.faults;
