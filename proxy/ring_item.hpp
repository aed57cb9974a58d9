// How the items of a queue's ring are read and written as a T.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>

#include <steward/core/codec.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/writer.hpp>
#include <steward/proxy/local_queue.hpp>

namespace steward::detail::proxy {

// Not members: a queue of a type that is not complete yet may be a member of that type.
template <class T>
inline constexpr bool kRawItem = core::TravelsRaw<T>;
// The very bytes of an object are what travels.
template <class T>
inline constexpr bool kPlainItem = kRawItem<T> && std::has_unique_object_representations_v<T>;
template <class T>
inline constexpr auto kItemFormat =
    static_cast<std::uint32_t>(kRawItem<T> ? ItemFormat::raw : ItemFormat::packed);

// An item of the ring, converted to a T only where the T is constructed, so that large items are
// not copied again. Throws BadCall for what is no T.
template <class T>
struct DecodedItem {
  const shm::Item& item;

  operator T() const {
    if (item.format == static_cast<std::uint32_t>(ItemFormat::raw)) return raw();
    RingHandleCodec codec;
    const core::HandleCodecScope scope(codec);
    return core::unpack<T>(text_of(item.bytes));
  }

 private:
  T raw() const {
    if constexpr (kRawItem<T>) {
      if (item.bytes.size() != sizeof(T)) {
        throw BadCall("an item of the queue has another size than its type");
      }
      T value;
      std::memcpy(&value, item.bytes.data(), sizeof(T));
      return value;
    } else {
      // It was put by a process with another type for the items. Reads it as the manager would have
      // sent it, as bytes.
      std::string packed;
      core::Writer(packed).bytes(text_of(item.bytes));
      return core::unpack<T>(packed);
    }
  }
};

}  // namespace steward::detail::proxy
