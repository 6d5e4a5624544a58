package io.forebay.topic;

import io.forebay.config.ForebaySettings;
import io.forebay.queue.core.GroupQueueLimits;
import io.forebay.store.StripeRecovery;
import io.forebay.store.StripeRecoveryFactory;
import io.forebay.topic.core.RegistryLimits;

/** Has a node's topics, queues and groups recovered. */
public final class NodeRecoveryFactory implements StripeRecoveryFactory {
    @Override
    public StripeRecovery create(ForebaySettings settings) {
        return new NodeRecovery(
                new RegistryLimits(
                        settings.topic().topicsMax(),
                        settings.topic().groupsMax(),
                        settings.topic().queuesMax(),
                        settings.topic().subscriptionsMax(),
                        settings.topic().settingsHistoryMax()),
                new GroupQueueLimits(
                        settings.group().lookAheadMax(), settings.group().inFlightMax()));
    }
}
