/**
 * What an operator asks of stored messages: peek, find, explain, seek, purge. One desk per node takes the questions of all
 * sessions; what has to be read is read by jobs on the dispatcher of cold reads, a page at a time, so that a scan holds
 * neither an actor nor a session. Pops nothing and owns no state: queues and groups do what is asked of them.
 */
package io.forebay.look;
