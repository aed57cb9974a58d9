#include <steward/manager/server/object_table.hpp>

#include <algorithm>
#include <utility>

#include <steward/core/errors.hpp>

namespace steward::detail::server {

class ObjectTable::CountedReference final : public core::Reference {
 public:
  CountedReference(core::Token token, std::shared_ptr<Released> released)
      : Reference(std::move(token)), released_(std::move(released)) {}
  ~CountedReference() override { released_->ids.push_back(token_.object); }

 private:
  std::shared_ptr<Released> released_;
};

ObjectTable::ObjectTable(core::Incarnation incarnation, std::vector<std::string> addresses)
    : incarnation_(incarnation), addresses_(std::move(addresses)) {}

ObjectTable::~ObjectTable() {
  std::vector<core::ObjectId> order = ids();
  for (auto id = order.rbegin(); id != order.rend(); ++id) entries_.erase(*id);
}

void ObjectTable::add_manager(const Class& type, std::unique_ptr<Object> object) {
  entries_.emplace(core::kManagerObject, Entry{std::move(object), &type, {}});
}

core::ReferencePtr ObjectTable::add(const Class& type, std::unique_ptr<Object> object) {
  const core::ObjectId id{++last_id_};
  core::ReferencePtr reference = enter(id, type, ++last_version_);
  Entry& entry = entries_.at(id);
  entry.object = std::move(object);
  entry.changes = entry.object->changes();
  return reference;
}

// Without the object itself.
core::ReferencePtr ObjectTable::enter(core::ObjectId id, const Class& type,
                                      std::uint64_t version) {
  core::Token token{incarnation_, id, std::string(type.name), 0, addresses_, std::nullopt};
  auto reference = std::make_shared<const CountedReference>(std::move(token), released_);
  entries_.emplace(id, Entry{nullptr, &type, reference, version});
  bytes_ += kObjectBytes;
  changed_.push_back(id);
  ++counts_[&type];
  return reference;
}

const ObjectTable::Entry* ObjectTable::find(core::ObjectId id) const {
  const auto found = entries_.find(id);
  return found == entries_.end() ? nullptr : &found->second;
}

core::ReferencePtr ObjectTable::reference(core::ObjectId id) const {
  const Entry* entry = find(id);
  return entry == nullptr ? nullptr : entry->reference.lock();
}

Object& ObjectTable::change(core::ObjectId id) {
  Entry& entry = entries_.at(id);
  if (changed_.empty() || changed_.back() != id) changed_.push_back(id);
  return *entry.object;
}

void ObjectTable::look_at_changed() {
  for (const core::ObjectId id : changed_) {
    const auto found = entries_.find(id);
    if (found == entries_.end()) continue;
    Entry& entry = found->second;
    bytes_ -= entry.bytes;
    entry.bytes = entry.object->bytes();
    bytes_ += entry.bytes;
    const std::uint64_t changes = entry.object->changes();
    if (std::exchange(entry.changes, changes) != changes) entry.version = ++last_version_;
  }
  changed_.clear();
}

std::size_t ObjectTable::bytes() {
  look_at_changed();
  return bytes_;
}

std::optional<ObjectTable::Unreferenced> ObjectTable::take_unreferenced() {
  if (released_->ids.empty()) return std::nullopt;
  const core::ObjectId id = released_->ids.back();
  released_->ids.pop_back();
  auto node = entries_.extract(id);
  if (node.empty()) return take_unreferenced();
  bytes_ -= kObjectBytes + node.mapped().bytes;
  --counts_[node.mapped().type];
  return Unreferenced{id, std::move(node.mapped())};
}

std::vector<core::ObjectId> ObjectTable::ids() const {
  std::vector<core::ObjectId> ids;
  ids.reserve(entries_.size());
  for (const auto& [id, entry] : entries_) {
    if (id != core::kManagerObject) ids.push_back(id);
  }
  std::ranges::sort(ids);
  return ids;
}

std::size_t ObjectTable::number_of(const Class& type) const {
  const auto found = counts_.find(&type);
  return found == counts_.end() ? 0 : found->second;
}

void ObjectTable::save(Saver& out) const {
  out.number(last_id_);
  out.number(last_version_);
  const std::vector<core::ObjectId> order = ids();
  // All of them first: their contents refer to each other.
  out.each(order, [&](core::ObjectId id) {
    const Entry& entry = *find(id);
    out.number(core::number(id));
    out.writer().string(entry.type->name);
    out.number(entry.version);
  });
  for (const core::ObjectId id : order) find(id)->object->save(out);
}

std::vector<core::ReferencePtr> ObjectTable::load(Loader& in, const Registry& registry,
                                                  const Environment& environment) {
  last_id_ = in.number();
  last_version_ = in.number();
  std::vector<core::ReferencePtr> references;
  in.each([&] {
    const core::ObjectId id{in.number()};
    const Class* type = registry.find(in.reader().string());
    if (type == nullptr || type->load == nullptr || find(id) != nullptr) Loader::damaged();
    references.push_back(enter(id, *type, in.number()));
  });
  for (const core::ReferencePtr& reference : references) {
    Entry& entry = entries_.at(reference->token().object);
    entry.object = entry.type->load(environment, in);
    entry.changes = entry.object->changes();
  }
  return references;
}

}  // namespace steward::detail::server
