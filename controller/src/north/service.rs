//! Makes a gRPC service of a kind: the standard methods, and whatever more the kind has.

/// `service!(Kind, server::Service, Message one many, Create Update Answer Page { more methods })`
macro_rules! service {
    (
        $kind:ident, $module:ident::$service:ident, $wire:ident $one:ident $many:ident,
        $create:ident $update:ident $answer:ident $page:ident
        { $($method:ident($request:ident) => $run:path;)* }
    ) => {
        #[tonic::async_trait]
        impl wire::$module::$service for Service<$kind> {
            async fn create(
                &self,
                request: tonic::Request<wire::$create>,
            ) -> Result<tonic::Response<wire::$answer>, tonic::Status> {
                let answer = methods::create::<$kind>(&self.north, request.into_inner());
                answer.await.map(tonic::Response::new)
            }

            async fn get(
                &self,
                request: tonic::Request<wire::GetRequest>,
            ) -> Result<tonic::Response<wire::$answer>, tonic::Status> {
                methods::get::<$kind>(&self.north, request.get_ref()).map(tonic::Response::new)
            }

            async fn list(
                &self,
                request: tonic::Request<wire::ListRequest>,
            ) -> Result<tonic::Response<wire::$page>, tonic::Status> {
                methods::list::<$kind>(&self.north, request.get_ref()).map(tonic::Response::new)
            }

            async fn update(
                &self,
                request: tonic::Request<wire::$update>,
            ) -> Result<tonic::Response<wire::$answer>, tonic::Status> {
                let answer = methods::update::<$kind>(&self.north, request.into_inner());
                answer.await.map(tonic::Response::new)
            }

            async fn delete(
                &self,
                request: tonic::Request<wire::DeleteRequest>,
            ) -> Result<tonic::Response<wire::DeleteResponse>, tonic::Status> {
                let answer = methods::delete::<$kind>(&self.north, request.into_inner());
                answer.await.map(tonic::Response::new)
            }

            $(async fn $method(
                &self,
                request: tonic::Request<wire::$request>,
            ) -> Result<tonic::Response<wire::$answer>, tonic::Status> {
                let answer = $run(&self.north, request.into_inner());
                answer.await.map(tonic::Response::new)
            })*
        }

        impl kind::CreateRequest for wire::$create {
            type Wire = wire::$wire;

            fn resource(&self) -> Option<&Self::Wire> {
                self.$one.as_ref()
            }

            fn request_id(&self) -> &str {
                &self.request_id
            }
        }

        impl kind::UpdateRequest for wire::$update {
            type Wire = wire::$wire;

            fn resource(&self) -> Option<&Self::Wire> {
                self.$one.as_ref()
            }

            fn mask(&self) -> Option<&prost_types::FieldMask> {
                self.update_mask.as_ref()
            }

            fn etag(&self) -> &str {
                &self.etag
            }

            fn request_id(&self) -> &str {
                &self.request_id
            }
        }

        impl kind::Answer for wire::$answer {
            type Wire = wire::$wire;

            fn new(resource: Self::Wire, revision: weft_model::Revision) -> Self {
                Self { $one: Some(resource), revision: revision.0 }
            }

            fn resource_mut(&mut self) -> Option<&mut Self::Wire> {
                self.$one.as_mut()
            }
        }

        impl kind::Page for wire::$page {
            type Wire = wire::$wire;

            fn new($many: Vec<Self::Wire>, next_page_token: String) -> Self {
                Self { $many, next_page_token }
            }
        }
    };
}

pub(super) use service;
