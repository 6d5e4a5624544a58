package io.forebay.config;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.ConfigFactory;
import org.junit.jupiter.api.Test;

class ForebaySettingsTest {

    @Test
    void defaultsAreValid() {
        ForebaySettings settings = ForebaySettings.from(ConfigFactory.defaultReference());
        assertThat(settings.storage().segmentBytes()).isEqualTo(128 << 20);
    }
}
