package io.forebay.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import io.forebay.protocol.ForebayException;
import org.junit.jupiter.api.Test;

class ContactPointTest {
    @Test
    void bothFormsAreRead() {
        ContactPoint plain = new ContactPoint("forebay", "host.example", 7400);
        assertThat(ContactPoint.parse("host.example:7400")).isEqualTo(plain);
        assertThat(ContactPoint.parse(" akka://forebay@host.example:7400 ")).isEqualTo(plain);
        assertThat(ContactPoint.parse("akka://forebay@host.example:7400/system/forebay"))
                .isEqualTo(plain);
        assertThat(ContactPoint.parse("akka://other-1@[::1]:1")).isEqualTo(new ContactPoint("other-1", "[::1]", 1));
        assertThat(plain.path()).isEqualTo("akka://forebay@host.example:7400/system/forebay");
    }

    @Test
    void anythingElseIsRefusedByName() {
        for (String wrong : new String[] {
            null,
            "",
            "host",
            "host:",
            ":7400",
            "host:0",
            "host:65536",
            "host:x",
            "akka://@h:1",
            "akka.tcp://s@h:1",
            "a b:1"
        }) {
            assertThatThrownBy(() -> ContactPoint.parse(wrong))
                    .as(wrong)
                    .isInstanceOf(ForebayException.class)
                    .hasMessageContaining("HOST:PORT or akka://SYSTEM@HOST:PORT");
        }
    }

    @Test
    void settingsAreCheckedByName() {
        Config section = ConfigFactory.load().getConfig("forebay.client");
        assertThat(ClientSettings.from(section, "system").name()).isEqualTo("system");
        for (String wrong : new String[] {
            "send.pipeline = 0",
            "send.batch-count-max = 100000",
            "send.batch-bytes-max = 1 B",
            "lookup.retry-max = 1 ms",
            "max-hold = -1 s",
            "stream.prefetch = 0",
            "request-timeout = 1 ms",
            "pop.wait = 100000 d"
        }) {
            String key = wrong.substring(0, wrong.indexOf(' '));
            Config changed = ConfigFactory.parseString(wrong).withFallback(section);
            assertThatThrownBy(() -> ClientSettings.from(changed, "system"))
                    .as(wrong)
                    .isInstanceOf(ForebayException.class)
                    .hasMessageContaining("forebay.client." + key + " is ")
                    .hasMessageContaining("allowed is");
        }
    }

    @Test
    void aPopRequestIsCheckedByName() {
        PopRequest good = PopRequest.of("orders", "billing", 1);
        assertThatThrownBy(() -> PopRequest.of("or ders", "billing", 1)).hasMessageContaining("topic name 'or ders'");
        assertThatThrownBy(() -> PopRequest.of("orders", "", 1)).hasMessageContaining("group name ''");
        assertThatThrownBy(() -> good.withCountMax(0)).hasMessageContaining("messages to pop is 0");
        assertThatThrownBy(() -> good.withBytesMax(-1)).hasMessageContaining("bytes to pop is -1");
        assertThatThrownBy(() -> good.withInvisible(java.time.Duration.ZERO))
                .hasMessageContaining("invisible duration");
        assertThatThrownBy(() -> good.withWaitMax(java.time.Duration.ofSeconds(-1)))
                .hasMessageContaining("wait of a pop");
    }
}
