package io.forebay.testkit.junit;

import io.forebay.testkit.ForebayTestKit;
import java.lang.annotation.Documented;
import java.lang.annotation.ElementType;
import java.lang.annotation.Inherited;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * Each test of a class, or one test, gets a node of its own: a method of the test, of {@code @BeforeEach} or {@code @AfterEach} that has
 * a parameter of the type {@link ForebayTestKit} or {@link io.forebay.client.ForebayClient} has it passed. A test that fails tells the
 * seed that brings its run back.
 *
 * <pre>{@code
 * @ForebayTest
 * class BillingTest {
 *     @Test
 *     void billsEachOrderOnce(ForebayTestKit kit) { … }
 * }
 * }</pre>
 */
@Documented
@Inherited
@Retention(RetentionPolicy.RUNTIME)
@Target({ElementType.TYPE, ElementType.METHOD})
@ExtendWith(ForebayExtension.class)
public @interface ForebayTest {
    /** Brings one run back. 0: the one of {@code -Dforebay.seed}, or a new one each time. */
    long seed() default 0;

    /** Settings of the node, the client and Akka, in HOCON; see {@link ForebayTestKit.Builder#settings}. */
    String settings() default "";
}
