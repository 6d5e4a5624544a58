package io.forebay.persistence;

import io.forebay.config.ForebaySettings;
import io.forebay.store.StripeRecovery;
import io.forebay.store.StripeRecoveryFactory;

/** Has what the persistence plugins store recovered. */
public final class ShardRecoveryFactory implements StripeRecoveryFactory {
    @Override
    public StripeRecovery create(ForebaySettings settings) {
        return new ShardRecovery(Math.max(1, settings.persistence().activeIdsMax() / ShardKind.COUNT));
    }
}
