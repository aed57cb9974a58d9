// Whether these tests run under a sanitizer: it takes memory, address space and descriptors itself.
#pragma once

namespace steward::detail::test {

#if defined(__SANITIZE_THREAD__)
inline constexpr bool kThreadSanitized = true;  // has a thread of its own in every process
#elif defined(__has_feature)
inline constexpr bool kThreadSanitized = __has_feature(thread_sanitizer);
#else
inline constexpr bool kThreadSanitized = false;
#endif

#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool kSanitized = true;
#elif defined(__has_feature)
inline constexpr bool kSanitized = kThreadSanitized || __has_feature(address_sanitizer);
#else
inline constexpr bool kSanitized = kThreadSanitized;
#endif

}  // namespace steward::detail::test
