package io.forebay.persistence;

import akka.actor.ExtendedActorSystem;
import akka.persistence.state.DurableStateStoreProvider;
import com.typesafe.config.Config;

/**
 * Akka's durable states on the log of this node, or of this application alone: {@code akka.persistence.state.plugin =
 * "forebay.persistence.state-store"}. Requests that come before the log is recovered wait for it.
 *
 * <p>A state is stored at the level that {@code forebay.persistence.durability} names, as a whole or not at all, whatever its size. Its
 * revision must be the one behind what is stored, from 1 on; another one is a failure that changes nothing. A deletion is a revision,
 * too: an entity that is there again goes on counting. What is read is flushed, whatever that level is.
 *
 * <p>Both stores are also the queries of Akka Persistence Query for durable states: the newest change of each state, under the tag
 * that it has now; a deletion is a change under the tag that the state had. Offsets are sequences of the log: they grow, over
 * restarts, too. A state that is replaced while a query of what is there runs may be missing from it, and comes with the next.
 */
public final class ForebayDurableStateProvider implements DurableStateStoreProvider {
    private final ForebayDurableStateStore javaStore;
    private final ForebayScalaDurableStateStore scalaStore;

    /** Called by Akka with the plugin's section. */
    public ForebayDurableStateProvider(ExtendedActorSystem system, Config config) {
        StateStore store = new StateStore(system, config.getString("read-dispatcher"));
        javaStore = new ForebayDurableStateStore(store);
        scalaStore = new ForebayScalaDurableStateStore(store);
    }

    @Override
    public akka.persistence.state.scaladsl.DurableStateStore<Object> scaladslDurableStateStore() {
        return scalaStore;
    }

    @Override
    public akka.persistence.state.javadsl.DurableStateStore<Object> javadslDurableStateStore() {
        return javaStore;
    }
}
