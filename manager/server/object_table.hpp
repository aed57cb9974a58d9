// The object table: which objects exist, and how often each is referred to.
//
// Counting is ownership: every holder of an object (a session's grant, a name, a lease, a Value
// inside another object) holds the same detail::core::ReferencePtr. When the last copy goes, the
// object's id is put on a list, and the core destroys it at the end of the input, one by one, never
// inside another method.
//
// Thread safety: none; part of the core.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <steward/core/ids.hpp>
#include <steward/core/token.hpp>
#include <steward/manager/server/class.hpp>
#include <steward/manager/server/object.hpp>

namespace steward::detail::server {

// What an empty object takes, its entry and its handle included; rounded up.
inline constexpr std::size_t kObjectBytes = 1024;

class ObjectTable {
 public:
  struct Entry {
    std::unique_ptr<Object> object;
    const Class* type = nullptr;
    std::weak_ptr<const core::Reference> reference;
    std::uint64_t version = 0;  // rises over all objects with each input that changes contents
    // As look_at_changed() saw them last.
    std::uint64_t changes = 0;
    std::size_t bytes = 0;
  };

  ObjectTable(core::Incarnation incarnation, std::vector<std::string> addresses);
  ObjectTable(const ObjectTable&) = delete;
  ObjectTable& operator=(const ObjectTable&) = delete;
  // Destroys the objects in reverse order of creation.
  ~ObjectTable();

  // The manager's own, as core::kManagerObject: it can be found and changed, and is not counted,
  // listed nor saved. Once.
  void add_manager(const Class& type, std::unique_ptr<Object> object);
  // Gives the object an id that was never used and returns its first reference.
  core::ReferencePtr add(const Class& type, std::unique_ptr<Object> object);

  // nullptr: there is none (any more).
  const Entry* find(core::ObjectId id) const;
  // nullptr likewise, also when the object only waits for its destruction.
  core::ReferencePtr reference(core::ObjectId id) const;

  // The one gate through which objects change.
  Object& change(core::ObjectId id);
  // Gives those whose contents have changed since their next version, which snapshots and watches
  // go by, and counts what they take.
  void look_at_changed();

  // The next object that nobody refers to any more, taken out of the table.
  struct Unreferenced {
    core::ObjectId id;
    Entry entry;
  };
  std::optional<Unreferenced> take_unreferenced();

  std::size_t size() const { return entries_.size() - 1; }
  // What all objects take: contents (Object::bytes) and kObjectBytes each. Looks at what has
  // changed.
  std::size_t bytes();
  std::size_t number_of(const Class& type) const;
  // In order of creation, without the manager's.
  std::vector<core::ObjectId> ids() const;

  void save(Saver& out) const;
  // Into an empty table. What nobody refers to when the references that it gives back are gone is
  // gone as well.
  std::vector<core::ReferencePtr> load(Loader& in, const Registry& registry,
                                       const Environment& environment);

 private:
  // Outlives the table while references do.
  struct Released {
    std::vector<core::ObjectId> ids;
  };
  class CountedReference;
  core::ReferencePtr enter(core::ObjectId id, const Class& type, std::uint64_t version);

  const core::Incarnation incarnation_;
  const std::vector<std::string> addresses_;
  std::uint64_t last_id_ = 0;
  std::uint64_t last_version_ = 0;
  std::shared_ptr<Released> released_ = std::make_shared<Released>();
  std::unordered_map<core::ObjectId, Entry> entries_;
  std::size_t bytes_ = 0;
  std::vector<core::ObjectId> changed_;  // perhaps, since the last look
  std::unordered_map<const Class*, std::size_t> counts_;  // never walked
};

}  // namespace steward::detail::server
