/**
 * The command line and the launcher: parses, calls the client or the node, prints. It has no capability that a library
 * user lacks, and nothing else depends on it. Runs in the launcher's process only.
 */
package io.forebay.cli;
