// How the items of a queue are read and written as a T.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>

#include <steward/core/codec.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/padding.hpp>
#include <steward/core/writer.hpp>
#include <steward/proxy/items.hpp>
#include <steward/proxy/queue_port.hpp>

namespace steward::detail::proxy {

// Not members: a queue of a type that is not complete yet may be a member of that type.
template <class T>
inline constexpr bool kRawItem = core::TravelsRaw<T>;
// The very bytes of an object are what travels.
template <class T>
inline constexpr bool kPlainItem = kRawItem<T> && std::has_unique_object_representations_v<T>;
// It may be looked at where it lies in the ring.
template <class T>
inline constexpr bool kLiesInPlace = kRawItem<T> && alignof(T) <= 64;
template <class T>
inline constexpr auto kItemFormat =
    static_cast<std::uint32_t>(kRawItem<T> ? ItemFormat::raw : ItemFormat::packed);

// What is put for a T.
template <class T>
class OutgoingOf : public Outgoing {
 public:
  explicit OutgoingOf(const T& item) : Outgoing{&item, write_as_packed} {
    if constexpr (kPlainItem<T>) {
      raw = std::as_bytes(std::span(&item, 1));
    } else if constexpr (kRawItem<T>) {
      clean_ = core::clean_bytes(item);
      raw = std::as_bytes(std::span(clean_));
    }
  }
  OutgoingOf(const OutgoingOf&) = delete;
  OutgoingOf& operator=(const OutgoingOf&) = delete;

 private:
  static constexpr std::size_t kCleanBytes = kRawItem<T> && !kPlainItem<T> ? sizeof(T) : 0;

  static void write_as_packed(std::string& out, const void* item) {
    write_element(out, *static_cast<const T*>(item));
  }

  std::array<char, kCleanBytes> clean_;
};

// What is put for several.
template <class T>
OutgoingItems outgoing(const Items<T>& items) {
  using Visit = FunctionRef<void(const Outgoing&)>;
  OutgoingItems out{&items, items.size(),
                    [](std::string& to, const void* of) {
                      static_cast<const Items<T>*>(of)->write_argument(to);
                    },
                    [](const void* of, Visit visit) {
                      static_cast<const Items<T>*>(of)->for_each(
                          [&](const T& item) { visit(OutgoingOf<T>(item)); });
                    }};
  if constexpr (kPlainItem<T>) out.raw = std::as_bytes(items.span());
  return out;
}

// An item of a queue, converted to a T only where the T is constructed, so that large items are not
// copied again. Throws BadCall for what is no T.
template <class T>
struct DecodedItem {
  const shm::Item& item;

  operator T() const {
    const bool is_raw = item.format == static_cast<std::uint32_t>(ItemFormat::raw);
    return is_raw ? raw() : core::unpack<T>(shm::text_of(item.bytes));
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
      core::Writer(packed).bytes(shm::text_of(item.bytes));
      return core::unpack<T>(packed);
    }
  }
};

}  // namespace steward::detail::proxy
